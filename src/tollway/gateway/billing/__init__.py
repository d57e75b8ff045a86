"""What users get and may spend: plans, vouchers, referrals, corrections and budgets."""
