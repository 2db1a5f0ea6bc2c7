"""A Postman collection in which every request passes as it stands."""
