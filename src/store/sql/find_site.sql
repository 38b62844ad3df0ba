SELECT number FROM site WHERE id = :id
