-- name: backed_up_models
-- Model files of every version that has one, retired or not; works on a warehouse of any age.
SELECT DISTINCT artifact FROM model_versions WHERE artifact <> '' ORDER BY artifact;

-- name: schema_number
SELECT max(number) AS number FROM schema_migrations;

-- name: stored_columns
-- What tables and views are made of, to compare a rewritten file with the one it came from.
SELECT table_name, column_name, data_type, is_nullable, column_default
FROM information_schema.columns WHERE table_catalog = 'warehouse' AND table_schema = 'main'
ORDER BY table_name, ordinal_position;
