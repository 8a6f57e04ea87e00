"""The sections of the main dock, one stage each."""
