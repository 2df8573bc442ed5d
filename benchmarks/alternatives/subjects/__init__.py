"""The alternatives: pytest plugins that define the fixtures `subject` and `client`, as their documentation suggests."""
