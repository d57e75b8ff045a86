CREATE TABLE "accounts" (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL DEFAULT '', expires_at DOUBLE PRECISION, balance BIGINT NOT NULL DEFAULT 0, UNIQUE (owner, kind, label), CONSTRAINT never_overdrawn CHECK (balance >= 0 OR owner = 'hub'));
INSERT INTO "accounts" VALUES(1,'hub','issued','',NULL,0);
INSERT INTO "accounts" VALUES(2,'hub','revenue','',NULL,0);
INSERT INTO "accounts" VALUES(3,'hub','provider_cost','',NULL,0);
INSERT INTO "accounts" VALUES(4,'hub','provider_payable','',NULL,0);
INSERT INTO "accounts" VALUES(5,'hub','absorbed_loss','',NULL,0);
INSERT INTO "accounts" VALUES(6,'hub','allowed','',NULL,0);
INSERT INTO "accounts" VALUES(7,'hub','used','',NULL,0);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0005');
CREATE TABLE allowances (owner TEXT PRIMARY KEY, plan TEXT NOT NULL, amount BIGINT NOT NULL, anchor_at DOUBLE PRECISION NOT NULL, cycle_start DOUBLE PRECISION NOT NULL, cycle_end DOUBLE PRECISION NOT NULL, next_plan TEXT, next_amount BIGINT);
CREATE TABLE api_keys (
	id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	prefix TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	limits TEXT DEFAULT '{}' NOT NULL, 
	created_at DOUBLE NOT NULL, 
	expires_at DOUBLE, 
	revoked_at DOUBLE, 
	last_used_at DOUBLE, budgets TEXT DEFAULT '[]' NOT NULL, group_name TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(user_id) REFERENCES users (id), 
	UNIQUE (hash)
);
CREATE TABLE channels (
	id TEXT NOT NULL, 
	body TEXT NOT NULL, 
	sealed TEXT DEFAULT '' NOT NULL, 
	tails TEXT DEFAULT '[]' NOT NULL, 
	enabled SMALLINT DEFAULT '1' NOT NULL, 
	edition BIGINT DEFAULT '1' NOT NULL, 
	created_at DOUBLE NOT NULL, 
	changed_at DOUBLE NOT NULL, 
	changed_by TEXT NOT NULL, 
	tested_at DOUBLE, 
	test_ms DOUBLE, 
	test_problem TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE closed_months (month TEXT NOT NULL, user_id TEXT NOT NULL, requests BIGINT NOT NULL, charge BIGINT NOT NULL, cost BIGINT NOT NULL, PRIMARY KEY (month, user_id));
CREATE TABLE counters (
	name TEXT NOT NULL, 
	value BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "counters" VALUES('entry',0);
INSERT INTO "counters" VALUES('fence',0);
INSERT INTO "counters" VALUES('price_update',0);
INSERT INTO "counters" VALUES('price_turn',0);
CREATE TABLE entries (
	id INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	ref TEXT NOT NULL, 
	at DOUBLE NOT NULL, 
	author TEXT DEFAULT '' NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE leases (id TEXT PRIMARY KEY, owner TEXT NOT NULL, process TEXT NOT NULL, fence BIGINT NOT NULL, taken BIGINT NOT NULL, spent BIGINT NOT NULL DEFAULT 0, expires_at DOUBLE PRECISION NOT NULL, CONSTRAINT spent_within_lease CHECK (taken >= spent));
CREATE TABLE listed_prices (
	model TEXT NOT NULL, 
	version TEXT NOT NULL, 
	body TEXT NOT NULL, 
	seen_at DOUBLE NOT NULL, 
	PRIMARY KEY (model, version)
);
CREATE TABLE locks (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until DOUBLE PRECISION NOT NULL);
CREATE TABLE meta (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE months (month TEXT PRIMARY KEY);
CREATE TABLE organisations (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	budgets TEXT DEFAULT '[]' NOT NULL, 
	created_at DOUBLE NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
CREATE TABLE postings (
	entry_id BIGINT NOT NULL, 
	account_id BIGINT NOT NULL, 
	amount BIGINT NOT NULL, 
	PRIMARY KEY (entry_id, account_id)
)
 WITHOUT ROWID

;
CREATE TABLE price_cards (
	update_id BIGINT NOT NULL, 
	model TEXT NOT NULL, 
	body TEXT, 
	base_version TEXT NOT NULL, 
	base_body TEXT NOT NULL, 
	effective_at DOUBLE, 
	turn BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (update_id, model)
);
CREATE TABLE price_updates (
	id BIGINT NOT NULL, 
	state TEXT DEFAULT 'proposed' NOT NULL, 
	author TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	proposed_at DOUBLE NOT NULL, 
	wanted_at DOUBLE, 
	decided_by TEXT DEFAULT '' NOT NULL, 
	decided_at DOUBLE, 
	effective_at DOUBLE, 
	PRIMARY KEY (id)
);
CREATE TABLE purses (owner TEXT PRIMARY KEY, reserved BIGINT NOT NULL DEFAULT 0, allowed BIGINT NOT NULL DEFAULT 0, recalled_at DOUBLE PRECISION NOT NULL DEFAULT 0, CONSTRAINT never_reserved_below_zero CHECK (reserved >= 0));
CREATE TABLE redemptions (
	code TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	at DOUBLE NOT NULL, 
	PRIMARY KEY (code, user_id)
);
CREATE TABLE referrals (
	claimant TEXT NOT NULL, 
	referrer TEXT NOT NULL, 
	at DOUBLE NOT NULL, 
	PRIMARY KEY (claimant)
);
CREATE TABLE referrers (
	user_id TEXT NOT NULL, 
	code TEXT NOT NULL, 
	name TEXT NOT NULL, 
	referrals BIGINT DEFAULT '0' NOT NULL, 
	earned BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (user_id), 
	UNIQUE (code)
);
CREATE TABLE refunds (entry_id BIGINT PRIMARY KEY, call_id TEXT NOT NULL, amount BIGINT NOT NULL);
CREATE TABLE stored_settings (
	name TEXT NOT NULL, 
	body TEXT NOT NULL, 
	changed_at DOUBLE NOT NULL, 
	changed_by TEXT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE usage_daily (user_id TEXT NOT NULL, day INTEGER NOT NULL, model TEXT NOT NULL, key_id TEXT NOT NULL, requests BIGINT NOT NULL, charge BIGINT NOT NULL, cost BIGINT NOT NULL, input_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL, PRIMARY KEY (user_id, day, model, key_id));
CREATE TABLE users (
	id TEXT NOT NULL, 
	email TEXT NOT NULL, 
	"plan" TEXT DEFAULT 'free' NOT NULL, 
	admin INTEGER DEFAULT '0' NOT NULL, 
	created_at DOUBLE NOT NULL, budgets TEXT DEFAULT '[]' NOT NULL, strict INTEGER DEFAULT '0' NOT NULL, organisation_id TEXT, next_plan TEXT, next_plan_at DOUBLE, group_name TEXT DEFAULT 'default' NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (email)
);
CREATE TABLE vouchers (
	code TEXT NOT NULL, 
	amount BIGINT NOT NULL, 
	most BIGINT NOT NULL, 
	redeemed BIGINT DEFAULT '0' NOT NULL, 
	note TEXT DEFAULT '' NOT NULL, 
	author TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	expires_at DOUBLE, 
	disabled_at DOUBLE, 
	PRIMARY KEY (code), 
	CONSTRAINT never_redeemed_too_often CHECK (redeemed <= most)
);
CREATE INDEX ix_api_keys_user_id ON api_keys (user_id);
CREATE INDEX leases_by_owner ON leases (owner);
CREATE INDEX leases_by_process ON leases (process);
CREATE INDEX leases_by_expiry ON leases (expires_at);
CREATE INDEX allowances_by_end ON allowances (cycle_end);
CREATE INDEX refunds_by_call ON refunds (call_id);
CREATE INDEX postings_by_account ON postings (account_id);
CREATE INDEX pots_by_owner ON accounts (owner) WHERE balance > 0;
CREATE INDEX expiring_pots ON accounts (expires_at) WHERE expires_at IS NOT NULL AND balance > 0;
CREATE UNIQUE INDEX one_per_reference ON entries (kind, ref) WHERE kind IN ('grant', 'refund');
CREATE INDEX users_by_organisation ON users (organisation_id);
CREATE INDEX referrers_by_success ON referrers (referrals, user_id);
CREATE INDEX price_cards_by_time ON price_cards (model, effective_at, turn);
CREATE INDEX usage_by_day ON usage_daily (day);
