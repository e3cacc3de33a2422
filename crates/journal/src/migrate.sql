-- From version 1 to version 2. Records stay byte for byte as they are, and so does their chain: trials of version 1 keep their
-- steps in the body. Run before the tables of version 2 are made; what follows copies the records through their triggers.
DROP VIEW session; DROP VIEW harness; DROP VIEW trial; DROP VIEW unfinished; DROP VIEW step; DROP VIEW consultation;
DROP VIEW weakness; DROP VIEW verdict; DROP VIEW round; DROP VIEW claim;
DROP TRIGGER record_keeps; DROP TRIGGER record_stays;
DROP INDEX record_by_kind; DROP INDEX record_by_subject;
ALTER TABLE record RENAME TO record_1;
