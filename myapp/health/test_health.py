"""What health tells: that the process lives, and that its stores answer."""

import pytest

AWAY = [
    pytest.param({"REDIS_URL": "redis://127.0.0.1:1/0"}, id="redis"),
    pytest.param({"REDIS_URL": "unix:///nowhere/redis.sock"}, id="redis-socket"),
    pytest.param({"DATABASE_URL": "sqlite:////nowhere/my.sqlite"}, id="sqlite"),
    pytest.param({"DATABASE_URL": "postgresql://me@127.0.0.1:1/my"}, id="postgresql"),
]


# --- live


def test_live_answers_200_without_a_token(client):
    shown = client.get("/health/live")
    assert shown.status_code == 200
    assert shown.json == {"status": "ok"}


@pytest.mark.parametrize("away", AWAY)
def test_live_with_a_store_away_answers_200(start_app, away):
    assert start_app(**away).test_client().get("/health/live").status_code == 200


# --- ready


def test_ready_answers_200_without_a_token(client):
    shown = client.get("/health/ready")
    assert shown.status_code == 200
    assert shown.json == {"status": "ok"}


@pytest.mark.parametrize("away", AWAY)
def test_ready_with_a_store_away_answers_503_and_when_to_ask_again(start_app, away):
    refused = start_app(**away).test_client().get("/health/ready")
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert b"127.0.0.1" not in refused.data and b"nowhere" not in refused.data


@pytest.mark.parametrize("away", AWAY)
def test_ready_says_nothing_of_another_application(client, start_app, away):
    start_app(**away)
    assert client.get("/health/ready").status_code == 200
