SELECT "values" FROM others WHERE site = :site AND row = :row
