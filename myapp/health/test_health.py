"""What health tells: that the process lives, and that its stores answer."""

import pytest

REDIS_AWAY = [
    pytest.param({"REDIS_URL": "redis://127.0.0.1:1/0"}, id="redis"),
    pytest.param({"REDIS_URL": "unix:///nowhere/redis.sock"}, id="redis-socket"),
    pytest.param({"REDIS_URL": "redis+sentinel://127.0.0.1:1/me/0"}, id="sentinel"),
]
SQL_AWAY = [
    pytest.param({"DATABASE_URL": "sqlite:////nowhere/my.sqlite"}, id="sqlite"),
    pytest.param({"DATABASE_URL": "postgresql://me@127.0.0.1:1/my"}, id="postgresql"),
]
AWAY = [*REDIS_AWAY, *SQL_AWAY]


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
    assert shown.json == {"status": "ok", "sql": "ok", "redis": "ok"}


@pytest.mark.parametrize("away", REDIS_AWAY)
def test_ready_with_redis_away_answers_200_and_says_so(start_app, away):
    shown = start_app(**away).test_client().get("/health/ready")
    assert shown.status_code == 200
    assert shown.json == {"status": "degraded", "sql": "ok", "redis": "away"}


@pytest.mark.parametrize("away", SQL_AWAY)
def test_ready_without_a_database_answers_503_and_when_to_ask_again(start_app, away):
    refused = start_app(**away).test_client().get("/health/ready")
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert refused.json["detail"] == "The database does not answer. Redis does."
    assert b"127.0.0.1" not in refused.data and b"nowhere" not in refused.data


def test_ready_without_any_store_says_so(start_app):
    nowhere = {
        "DATABASE_URL": "sqlite:////nowhere/my.sqlite",
        "REDIS_URL": "unix:///no",
    }
    refused = start_app(**nowhere).test_client().get("/health/ready")
    assert refused.status_code == 503
    assert "Redis does not, either" in refused.json["detail"]


@pytest.mark.parametrize("away", AWAY)
def test_ready_says_nothing_of_another_application(client, start_app, away):
    start_app(**away)
    assert client.get("/health/ready").json["status"] == "ok"
