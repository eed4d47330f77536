-- Sums of months beside those of days (platform/reports/rollup_model.py), and callers' days before by month: a year is then
-- read from some dozens of groups. All sums are made anew by the job; until then reports read the records. What still runs
-- of the release before cannot add rows of callers, so it sums nothing up.
TRUNCATE report_sums, report_callers, report_coverage, report_changes;

ALTER TABLE report_sums
    ADD COLUMN span text NOT NULL,
    DROP CONSTRAINT pk_report_sums,
    ADD CONSTRAINT pk_report_sums PRIMARY KEY (agency_id, client_id, cut, span, day, family, place),
    ADD CONSTRAINT ck_report_sums_span CHECK (span IN ('day', 'month'));

-- Days of callers by the days before, days by months before, months by days before, months by months before: whichever
-- pair of spans a question meets, it reads one row for it. '-infinity': they had never called.
ALTER TABLE report_callers
    ADD COLUMN span text NOT NULL,
    ADD COLUMN previous_span text NOT NULL,
    ALTER COLUMN previous_day SET NOT NULL,
    DROP CONSTRAINT pk_report_callers,
    ADD CONSTRAINT pk_report_callers
        PRIMARY KEY (agency_id, client_id, cut, span, day, previous_span, previous_day, place),
    ADD CONSTRAINT ck_report_callers_span CHECK (span IN ('day', 'month')),
    ADD CONSTRAINT ck_report_callers_previous_span CHECK (previous_span IN ('day', 'month'));

-- What has gone to the archive since is nobody's earlier call any more.
ALTER TABLE report_coverage ADD COLUMN archived_until timestamptz;
