-- Beside an hour's counts: how far runs came and how long each step took, how often which reason was given, and the verdict of each
-- tick; see `encoding::hour`. Absent in hours that an earlier format counted.
ALTER TABLE rollups ADD COLUMN steps BLOB;
ALTER TABLE rollups ADD COLUMN reasons TEXT;
ALTER TABLE rollups ADD COLUMN ticks BLOB;
