"""A Victron GX that is none: data, broker side with logins, and HTTP API, from recordings or physics."""
