"""The published figures of the recurrent attention model, a run file for each row of its table."""
