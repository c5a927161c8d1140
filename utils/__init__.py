"""What every part of the application shares: seeding, logging, environment. The list is closed."""
