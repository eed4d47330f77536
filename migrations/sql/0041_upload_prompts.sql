-- Agencies upload sounds of their own.
ALTER TABLE prompts ADD COLUMN label text;
ALTER TABLE prompts DROP CONSTRAINT ck_prompts_kind;
ALTER TABLE prompts ADD CONSTRAINT ck_prompts_kind CHECK (kind IN ('say', 'file', 'told', 'upload'));
GRANT DELETE ON prompts TO dialtrace_app;
