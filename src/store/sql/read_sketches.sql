SELECT site.id, sketch.day, sketch.bytes
FROM sketch JOIN site ON site.number = sketch.site
ORDER BY site.id, sketch.day
