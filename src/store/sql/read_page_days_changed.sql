SELECT page_day.views, page_day.visits, page_day.day, page.path
FROM page_day JOIN page ON page.number = page_day.page
WHERE page_day.site = (SELECT number FROM site WHERE id = :id) AND page_day.sequence > :since
