SELECT page_day.day, page.path, page_day.views, page_day.visits
FROM page_day JOIN page ON page.number = page_day.page
WHERE page_day.site = (SELECT number FROM site WHERE id = :id) AND page_day.day BETWEEN :first AND :last
ORDER BY page_day.day, page.path
