SELECT visitors_imported FROM day WHERE site = :site AND day = :day
