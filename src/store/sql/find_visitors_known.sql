SELECT day.visitors, COALESCE(import_sketch.finished, day.visitors_imported)
FROM day
JOIN site ON site.number = day.site
LEFT JOIN import_sketch ON import_sketch.site = day.site AND import_sketch.day = day.day
WHERE site.id = :id AND day.day = :day
