"""The JSON Schemas in ``Resources/schemas``: how they are made, and that they say what the records say."""
