DELETE FROM page_day WHERE site = :site AND day = :day AND page = :page
