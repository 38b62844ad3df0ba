SELECT min(day) FROM detail_day WHERE site = (SELECT number FROM site WHERE id = :id)
