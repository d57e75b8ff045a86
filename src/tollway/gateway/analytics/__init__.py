"""What was used: sums by day, user, model and key, written with each settlement and never counted from receipts."""
