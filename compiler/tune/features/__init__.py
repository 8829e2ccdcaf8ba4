"""What a cost model sees of a schedule: numbers of its loop program."""
