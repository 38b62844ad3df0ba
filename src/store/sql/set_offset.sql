-- An offset never goes back: that would fold records a second time. Then no row is changed.
INSERT INTO stream (stream, applied) VALUES (:stream, :applied)
ON CONFLICT (stream) DO UPDATE SET applied = excluded.applied WHERE excluded.applied >= applied
