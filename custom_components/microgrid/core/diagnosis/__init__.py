"""Why a fault happened: from measurements around it to cause, origin and path, each with its evidence."""
