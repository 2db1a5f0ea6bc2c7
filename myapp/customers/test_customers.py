"""What customers do."""


def test_create_then_retrieve(acme):
    made = acme.post("/v1/customers", json={"name": "Ada", "email": "ada@example.com"})
    assert made.status_code == 201
    shown = acme.get(made.location)
    assert shown.status_code == 200
    assert shown.json == made.json
