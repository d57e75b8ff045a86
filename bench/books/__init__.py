"""The books under torment: thousands of calls with faults, kills and stops, and then every nano-dollar explained."""
