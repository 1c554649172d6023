-- name: set_written_by
-- The moment that the tables of `as_written` are seen at.
SET VARIABLE written_by = $moment::TIMESTAMPTZ;

-- name: as_written
-- For the rest of the session, raw values and actuals as they stood at that moment.
CREATE TEMP VIEW raw AS SELECT * FROM warehouse.raw WHERE seen_at <= getvariable('written_by');
CREATE TEMP VIEW actuals AS SELECT * FROM warehouse.actuals WHERE written_at <= getvariable('written_by');

-- name: forecasts_of_origin
-- What was issued for an origin, as it was issued; of one version where $version is not empty.
SELECT * FROM predictions
WHERE target = $target AND origin = $origin AND issuer IN ('sextant', 'reissue', 'shadow')
  AND ($version = '' OR version_id = $version)
ORDER BY list_position(['sextant', 'reissue', 'shadow'], issuer), made_at, version_id, horizon;

-- name: features_of_origin
SELECT * FROM features WHERE target = $target AND origin = $origin ORDER BY horizon;
