-- Version 1. One table holds everything; the views below show it by subject. Nothing is ever changed or removed.
CREATE TABLE record (
  seq     INTEGER PRIMARY KEY,  -- 1, 2, 3, … without gaps: the order of the run
  at      INTEGER NOT NULL,     -- milliseconds since 1970, a label for people
  kind    TEXT NOT NULL,        -- opened, harness, trial_started, trial_finished, consulted, mined, proposed, round, claimed
  round   INTEGER,              -- the round it belongs to, from 1; 0 outside rounds
  subject TEXT,                 -- what it is about: a trial's id, a harness's fingerprint, a request's digest
  body    TEXT NOT NULL,        -- the record itself, JSON
  chain   BLOB NOT NULL         -- BLAKE3 over the previous record's chain and every column of this one
) STRICT;
CREATE INDEX record_by_kind ON record (kind, round);
CREATE INDEX record_by_subject ON record (subject);

CREATE TRIGGER record_keeps BEFORE UPDATE ON record
BEGIN SELECT RAISE(ABORT, 'a journal is append-only'); END;
CREATE TRIGGER record_stays BEFORE DELETE ON record
BEGIN SELECT RAISE(ABORT, 'a journal is append-only'); END;

-- Sessions of the run: the first began it, each further one resumed it.
CREATE VIEW session AS
SELECT seq, datetime(at / 1000, 'unixepoch') AS opened, body -> '$.identity' AS identity
FROM record WHERE kind = 'opened';

-- Harnesses that trials name.
CREATE VIEW harness AS
SELECT subject AS fingerprint, min(seq) AS seq, body -> '$.document' AS document
FROM record WHERE kind = 'harness' GROUP BY subject;

-- Finished trials.
CREATE VIEW trial AS
SELECT
  seq,
  subject                                      AS id,
  body ->> '$.trial.key.task'                  AS task,
  body ->> '$.trial.split'                     AS split,
  body ->> '$.trial.key.harness'               AS harness,
  (body ->> '$.trial.key.model.provider') || ':' || (body ->> '$.trial.key.model.name') AS model,
  round,
  body ->> '$.trial.key.replicate.phase'       AS phase,
  body ->> '$.trial.key.replicate.attempt'     AS attempt,
  CASE
    WHEN body -> '$.trial.outcome.void' IS NOT NULL THEN 'void'
    WHEN body ->> '$.trial.outcome.scored.reward' >= 1.0 THEN 'passed'
    ELSE 'failed'
  END                                          AS outcome,
  body ->> '$.trial.outcome.scored.reward'     AS reward,
  body ->> '$.trial.outcome.void.reason'       AS void_reason,
  body ->> '$.trial.finish'                    AS finish,
  json_array_length(body, '$.trial.trajectory.steps') AS steps,
  body ->> '$.trial.spent.calls'               AS calls,
  body ->> '$.trial.spent.prompt_tokens'       AS prompt_tokens,
  body ->> '$.trial.spent.completion_tokens'   AS completion_tokens,
  CASE body ->> '$.trial.spent.calls_without_price'
    WHEN 0 THEN body ->> '$.trial.spent.known_usd' END AS usd,  -- null: unknown, not free
  (body ->> '$.trial.elapsed.secs') + (body ->> '$.trial.elapsed.nanos') / 1e9 AS seconds,
  body ->> '$.trial.void_attempts'             AS void_attempts
FROM record WHERE kind = 'trial_finished';

-- Trials that were started and never finished: in flight when the run ended.
CREATE VIEW unfinished AS
SELECT max(seq) AS seq, subject AS id, body ->> '$.key.task' AS task, round
FROM record WHERE kind = 'trial_started'
  AND subject NOT IN (SELECT subject FROM record WHERE kind = 'trial_finished')
GROUP BY subject;

-- Steps of finished trials.
CREATE VIEW step AS
SELECT
  record.seq                        AS trial_seq,
  record.subject                    AS trial,
  step.value ->> '$.step_id'        AS step,
  step.value ->> '$.source'         AS source,
  step.value ->> '$.message'        AS message,
  step.value -> '$.tool_calls'      AS tool_calls,
  step.value -> '$.observations'    AS observations
FROM record, json_each(record.body, '$.trial.trajectory.steps') AS step
WHERE record.kind = 'trial_finished';

-- What miner, proposer and other stages asked the model.
CREATE VIEW consultation AS
SELECT
  seq, round,
  body ->> '$.consultation.stage'                                AS stage,
  subject                                                        AS request,
  body ->> '$.consultation.completion.usage.prompt_tokens'       AS prompt_tokens,
  body ->> '$.consultation.completion.usage.completion_tokens'   AS completion_tokens
FROM record WHERE kind = 'consulted';

-- Weaknesses, heaviest first within their round.
CREATE VIEW weakness AS
SELECT record.seq, record.round, weakness.key AS rank, weakness.value ->> '$.id' AS id, weakness.value AS weakness
FROM record, json_each(record.body, '$.weaknesses') AS weakness
WHERE record.kind = 'mined';

-- Proposals with what became of them.
CREATE VIEW verdict AS
SELECT
  record.seq, record.round,
  judged.value ->> '$.proposal.id'          AS proposal,
  judged.value ->> '$.proposal.weakness'    AS weakness,
  judged.value ->> '$.proposal.surface'     AS surface,
  judged.value ->> '$.proposal.mechanism'   AS mechanism,
  judged.value ->> '$.decision.verdict'     AS verdict,
  judged.value ->> '$.decision.reason'      AS reason,
  judged.value -> '$.proposal.edit'         AS edit,
  judged.value -> '$.decision.evidence'     AS evidence
FROM record, json_each(record.body, '$.report.judged') AS judged
WHERE record.kind = 'round';

-- Rounds that ended.
CREATE VIEW round AS
SELECT
  seq, round,
  body ->> '$.report.incumbent'                  AS incumbent,
  body ->> '$.report.tip'                        AS tip,
  body ->> '$.report.assessed.held_in.passed'    AS held_in_passed,
  body ->> '$.report.assessed.held_in.scored'    AS held_in_scored,
  body ->> '$.report.assessed.held_out.passed'   AS held_out_passed,
  body ->> '$.report.assessed.held_out.scored'   AS held_out_scored,
  json_array_length(body, '$.report.weaknesses') AS weaknesses,
  json_array_length(body, '$.report.judged')     AS proposals,
  body -> '$.report.promoted'                    AS promoted
FROM record WHERE kind = 'round';

-- The sealed split's word.
CREATE VIEW claim AS
SELECT
  seq,
  body ->> '$.claim.first'         AS first,
  body ->> '$.claim.last'          AS last,
  body ->> '$.claim.before.passed' AS passed_before,
  body ->> '$.claim.before.scored' AS scored_before,
  body ->> '$.claim.after.passed'  AS passed_after,
  body ->> '$.claim.after.scored'  AS scored_after
FROM record WHERE kind = 'claimed';
