"""What `./run start` cannot do, and the remedy."""


class Refusal(Exception):
    """A start that cannot be; nothing has changed."""
