SELECT site.id, day.day, day.visitors_imported
FROM day JOIN site ON site.number = day.site
WHERE day.visitors_imported > 0 AND day.day >= (SELECT date(max(day), '-3 days') FROM day)
