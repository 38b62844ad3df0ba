UPDATE site SET pages = :pages WHERE number = :site
