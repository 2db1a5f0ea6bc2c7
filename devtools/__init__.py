"""What developers run and servers do not have: set-up, local servers, demo data."""
