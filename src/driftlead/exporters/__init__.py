"""A monitor's snapshot in the formats that other systems read."""
