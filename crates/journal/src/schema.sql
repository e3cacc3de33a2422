-- Version 2. `record` holds the run: one row for each fact, in order, hash-chained, never changed or removed. What is bulky,
-- the steps of trials, lies compressed beside it, and its digest is under the chain. Every other table is filled by a trigger
-- below, in the same transaction: a function of `record` and of nothing else.
CREATE TABLE record (
  seq     INTEGER PRIMARY KEY,  -- 1, 2, 3, … without gaps: the order of the run
  at      INTEGER NOT NULL,     -- milliseconds since 1970, a label for people
  kind    TEXT NOT NULL,        -- opened, harness, trial_started, trial_finished, call_started, call_settled, consulted, …
  round   INTEGER,              -- the round it belongs to, from 1; 0 outside rounds
  subject TEXT,                 -- what it is about: a trial's id, a harness's fingerprint, a request's digest, a call's number
  body    TEXT NOT NULL,        -- the record itself, JSON; a trial without its steps
  steps   BLOB,                 -- BLAKE3 of the trial's packed steps; null for other kinds, and for trials of version 1
  chain   BLOB NOT NULL         -- BLAKE3 over the previous record's chain and every column of this one
) STRICT;

-- The steps of a finished trial: JSON, zlib. In the `sqlite3` shell: sqlar_uncompress(packed, size).
CREATE TABLE steps (
  seq    INTEGER PRIMARY KEY,   -- the record that they belong to
  count  INTEGER NOT NULL,      -- how many
  size   INTEGER NOT NULL,      -- of the JSON, in bytes
  packed BLOB NOT NULL
) STRICT;

-- Each start of a run, and each resumption. Another identity than the one before: a fork.
CREATE TABLE session (
  seq      INTEGER PRIMARY KEY,
  opened   TEXT NOT NULL,
  identity TEXT NOT NULL        -- JSON: what makes the run this run
) STRICT;

-- Harnesses that trials name.
CREATE TABLE harness (
  fingerprint TEXT PRIMARY KEY,
  seq         INTEGER NOT NULL,
  document    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for one trial. Its id is the digest of the columns that follow `seq`: all that matters to its result.
CREATE TABLE trial (
  id               TEXT PRIMARY KEY,
  seq              INTEGER NOT NULL,
  harness          TEXT NOT NULL,
  task             TEXT NOT NULL,
  task_fingerprint TEXT NOT NULL,
  model            TEXT NOT NULL,
  limits           TEXT NOT NULL,
  verifier         TEXT NOT NULL,
  isolation        TEXT NOT NULL,
  seed             TEXT NOT NULL,     -- 64 bits, without a sign
  round            INTEGER NOT NULL,
  phase            TEXT NOT NULL,
  attempt          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How trials ended. A void one may be run again in a later session: the last row of a trial counts.
CREATE TABLE outcome (
  seq               INTEGER PRIMARY KEY,
  trial             TEXT NOT NULL,
  split             TEXT NOT NULL,
  outcome           TEXT NOT NULL,  -- passed, failed, void
  reward            REAL,
  void_reason       TEXT,
  finish            TEXT NOT NULL,
  calls             INTEGER NOT NULL,
  prompt_tokens     INTEGER NOT NULL,
  completion_tokens INTEGER NOT NULL,
  usd               REAL,           -- null: unknown, not free
  seconds           REAL NOT NULL,
  void_attempts     INTEGER NOT NULL
) STRICT;
CREATE INDEX outcome_by_trial ON outcome (trial);

-- Attempts of calls to the model, on record before they were sent.
CREATE TABLE call (
  id              INTEGER PRIMARY KEY,
  seq             INTEGER NOT NULL,
  trial           TEXT,           -- what for: a trial,
  round           INTEGER,        -- or a stage of a round
  stage           TEXT,
  request         TEXT NOT NULL,
  reserved_tokens INTEGER NOT NULL,
  reserved_usd    REAL            -- null: no price is known
) STRICT;

-- What became of them. A call without a row here is of unknown outcome.
CREATE TABLE settlement (
  call              INTEGER PRIMARY KEY,
  seq               INTEGER NOT NULL,
  outcome           TEXT NOT NULL,  -- answered, free, unknown
  prompt_tokens     INTEGER,        -- null: the server told nothing
  completion_tokens INTEGER,
  usd               REAL,           -- null: unknown, not free
  reason            TEXT
) STRICT;

-- What was proposed.
CREATE TABLE proposal (
  seq       INTEGER NOT NULL,
  round     INTEGER NOT NULL,
  id        TEXT NOT NULL,
  weakness  TEXT NOT NULL,
  surface   TEXT NOT NULL,
  mechanism TEXT NOT NULL,
  edit      TEXT NOT NULL,
  rationale TEXT NOT NULL
) STRICT;

-- What was decided of each proposal.
CREATE TABLE verdict (
  seq       INTEGER NOT NULL,
  round     INTEGER NOT NULL,
  proposal  TEXT NOT NULL,
  weakness  TEXT NOT NULL,
  surface   TEXT NOT NULL,
  mechanism TEXT NOT NULL,
  verdict   TEXT NOT NULL,
  reason    TEXT NOT NULL,
  edit      TEXT NOT NULL,
  evidence  TEXT
) STRICT;

-- Rounds that ended.
CREATE TABLE round (
  seq             INTEGER PRIMARY KEY,
  round           INTEGER NOT NULL,
  incumbent       TEXT NOT NULL,
  tip             TEXT NOT NULL,
  held_in_passed  INTEGER NOT NULL,
  held_in_scored  INTEGER NOT NULL,
  held_out_passed INTEGER NOT NULL,
  held_out_scored INTEGER NOT NULL,
  weaknesses      INTEGER NOT NULL,
  proposals       INTEGER NOT NULL,
  promoted        INTEGER NOT NULL
) STRICT;

-- Edits that made it into the harness, in order of application.
CREATE TABLE promotion (
  seq      INTEGER NOT NULL,
  round    INTEGER NOT NULL,
  parent   TEXT NOT NULL,
  child    TEXT NOT NULL,
  position INTEGER NOT NULL,
  proposal TEXT NOT NULL,
  edit     TEXT NOT NULL
) STRICT;

CREATE TRIGGER session_of AFTER INSERT ON record WHEN NEW.kind = 'opened' BEGIN
  INSERT INTO session VALUES (NEW.seq, datetime(NEW.at / 1000, 'unixepoch'), NEW.body -> '$.identity');
END;
CREATE TRIGGER harness_of AFTER INSERT ON record WHEN NEW.kind = 'harness' BEGIN
  INSERT OR IGNORE INTO harness VALUES (NEW.subject, NEW.seq, NEW.body -> '$.document');
END;
CREATE TRIGGER trial_of AFTER INSERT ON record WHEN NEW.kind = 'trial_started' BEGIN
  INSERT OR IGNORE INTO trial VALUES (
    NEW.subject, NEW.seq,
    NEW.body ->> '$.key.harness', NEW.body ->> '$.key.task', NEW.body ->> '$.key.task_fingerprint',
    (NEW.body ->> '$.key.model.provider') || ':' || (NEW.body ->> '$.key.model.name'),
    NEW.body ->> '$.key.limits', NEW.body ->> '$.key.verifier', NEW.body ->> '$.key.isolation',
    NEW.body -> '$.key.replicate.seed',
    NEW.body ->> '$.key.replicate.round', NEW.body ->> '$.key.replicate.phase', NEW.body ->> '$.key.replicate.attempt'
  );
END;
CREATE TRIGGER outcome_of AFTER INSERT ON record WHEN NEW.kind = 'trial_finished' BEGIN
  INSERT INTO outcome VALUES (
    NEW.seq, NEW.subject, NEW.body ->> '$.trial.split',
    CASE
      WHEN NEW.body -> '$.trial.outcome.void' IS NOT NULL THEN 'void'
      WHEN NEW.body ->> '$.trial.outcome.scored.reward' >= 1.0 THEN 'passed'
      ELSE 'failed'
    END,
    NEW.body ->> '$.trial.outcome.scored.reward', NEW.body ->> '$.trial.outcome.void.reason',
    NEW.body ->> '$.trial.finish', NEW.body ->> '$.trial.spent.calls',
    NEW.body ->> '$.trial.spent.prompt_tokens', NEW.body ->> '$.trial.spent.completion_tokens',
    CASE (NEW.body ->> '$.trial.spent.calls_without_price') + (NEW.body ->> '$.trial.spent.calls_without_usage')
       + coalesce(NEW.body ->> '$.trial.spent.calls_unknown', 0)
      WHEN 0 THEN NEW.body ->> '$.trial.spent.known_usd' END,
    (NEW.body ->> '$.trial.elapsed.secs') + (NEW.body ->> '$.trial.elapsed.nanos') / 1e9,
    NEW.body ->> '$.trial.void_attempts'
  );
END;
CREATE TRIGGER call_of AFTER INSERT ON record WHEN NEW.kind = 'call_started' BEGIN
  INSERT INTO call VALUES (
    NEW.body ->> '$.intent.id', NEW.seq, NEW.body ->> '$.intent.purpose.trial',
    NEW.body ->> '$.intent.purpose.stage.round', NEW.body ->> '$.intent.purpose.stage.stage',
    NEW.body ->> '$.intent.request', NEW.body ->> '$.intent.reserved.tokens', NEW.body ->> '$.intent.reserved.usd'
  );
END;
CREATE TRIGGER settlement_of AFTER INSERT ON record WHEN NEW.kind = 'call_settled' BEGIN
  INSERT INTO settlement VALUES (
    NEW.body ->> '$.call', NEW.seq,
    CASE
      WHEN NEW.body -> '$.settlement.answered' IS NOT NULL THEN 'answered'
      WHEN NEW.body -> '$.settlement.free' IS NOT NULL THEN 'free'
      ELSE 'unknown'
    END,
    NEW.body ->> '$.settlement.answered.usage.prompt_tokens', NEW.body ->> '$.settlement.answered.usage.completion_tokens',
    NEW.body ->> '$.settlement.answered.usage.cost_usd',
    coalesce(NEW.body ->> '$.settlement.free.reason', NEW.body ->> '$.settlement.unknown.reason')
  );
END;
CREATE TRIGGER proposal_of AFTER INSERT ON record WHEN NEW.kind = 'proposed' BEGIN
  INSERT INTO proposal SELECT
    NEW.seq, NEW.round, value ->> '$.id', value ->> '$.weakness', value ->> '$.surface', value ->> '$.mechanism',
    value -> '$.edit', value ->> '$.rationale'
  FROM json_each(NEW.body, '$.proposals');
END;
CREATE TRIGGER round_of AFTER INSERT ON record WHEN NEW.kind = 'round' BEGIN
  INSERT INTO round VALUES (
    NEW.seq, NEW.round, NEW.body ->> '$.report.incumbent', NEW.body ->> '$.report.tip',
    NEW.body ->> '$.report.assessed.held_in.passed', NEW.body ->> '$.report.assessed.held_in.scored',
    NEW.body ->> '$.report.assessed.held_out.passed', NEW.body ->> '$.report.assessed.held_out.scored',
    json_array_length(NEW.body, '$.report.weaknesses'), json_array_length(NEW.body, '$.report.judged'),
    json_array_length(NEW.body, '$.report.promoted')
  );
  INSERT INTO verdict SELECT
    NEW.seq, NEW.round, value ->> '$.proposal.id', value ->> '$.proposal.weakness', value ->> '$.proposal.surface',
    value ->> '$.proposal.mechanism', value ->> '$.decision.verdict', value ->> '$.decision.reason',
    value -> '$.proposal.edit', value ->> '$.decision.evidence'
  FROM json_each(NEW.body, '$.report.judged');
  INSERT INTO promotion SELECT
    NEW.seq, NEW.round, NEW.body ->> '$.promotion.parent', NEW.body ->> '$.promotion.child',
    key, value ->> '$.proposal', value -> '$.edit'
  FROM json_each(NEW.body, '$.promotion.edits');
END;

CREATE TRIGGER record_keeps BEFORE UPDATE ON record
BEGIN SELECT RAISE(ABORT, 'a journal is append-only'); END;
CREATE TRIGGER record_stays BEFORE DELETE ON record
BEGIN SELECT RAISE(ABORT, 'a journal is append-only'); END;
CREATE TRIGGER steps_keep BEFORE UPDATE ON steps
BEGIN SELECT RAISE(ABORT, 'a journal is append-only'); END;
CREATE TRIGGER steps_stay BEFORE DELETE ON steps
BEGIN SELECT RAISE(ABORT, 'a journal is append-only'); END;

-- Each trial once, with the outcome that counts; null where it was in flight when the session ended.
CREATE VIEW result AS
SELECT
  trial.id, trial.task, outcome.split, trial.harness, trial.model, trial.round, trial.phase, trial.attempt,
  CASE outcome.outcome WHEN 'void' THEN 'unscored' ELSE iif(outcome.outcome IS NULL, 'in flight', 'finished') END AS state,
  outcome.outcome, outcome.reward, outcome.void_reason, outcome.finish, steps.count AS steps, outcome.calls,
  outcome.prompt_tokens, outcome.completion_tokens, outcome.usd, outcome.seconds, outcome.void_attempts
FROM trial
LEFT JOIN outcome ON outcome.seq = (SELECT max(seq) FROM outcome WHERE outcome.trial = trial.id)
LEFT JOIN steps ON steps.seq = outcome.seq;

-- What was paid, call by call. What is unknown is charged at its worst case.
CREATE VIEW money AS
SELECT
  call.id AS call, call.trial, call.round, call.stage,
  coalesce(settlement.outcome, 'unknown') AS outcome,
  CASE coalesce(settlement.outcome, 'unknown')
    WHEN 'free' THEN 0
    ELSE coalesce(settlement.prompt_tokens + settlement.completion_tokens, call.reserved_tokens) END AS tokens_at_most,
  CASE
    WHEN settlement.outcome = 'free' THEN 0.0
    WHEN settlement.prompt_tokens IS NOT NULL THEN settlement.usd
    ELSE call.reserved_usd END AS usd_at_most  -- null: no price is known
FROM call LEFT JOIN settlement ON settlement.call = call.id;

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

-- For the few kinds that views look for; calls and trials have tables of their own.
CREATE INDEX record_by_kind ON record (kind)
WHERE kind NOT IN ('call_started', 'call_settled', 'trial_started', 'trial_finished');
