-- Where a camera stands, and where it looks.
CREATE TABLE places (
    camera TEXT PRIMARY KEY REFERENCES cameras (id),
    latitude REAL NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    longitude REAL NOT NULL CHECK (longitude BETWEEN -180 AND 180),
    direction_deg REAL CHECK (direction_deg >= 0 AND direction_deg < 360),
    view_deg REAL NOT NULL CHECK (view_deg > 0 AND view_deg <= 360),
    reach_m REAL NOT NULL CHECK (reach_m > 0)
) STRICT, WITHOUT ROWID;
