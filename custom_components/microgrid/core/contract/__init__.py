"""The wire contract: topics, messages and the fault catalogue shared by every implementation."""
