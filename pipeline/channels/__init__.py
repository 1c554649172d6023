"""How alerts reach people; each module declares CHANNEL."""
