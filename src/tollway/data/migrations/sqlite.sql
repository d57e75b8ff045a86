CREATE TABLE accounts (
	id INTEGER NOT NULL, 
	owner TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	balance BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (owner, kind), 
	CONSTRAINT never_overdrawn CHECK (balance >= 0 OR owner = 'hub')
);
INSERT INTO "accounts" VALUES(1,'hub','issued',0);
INSERT INTO "accounts" VALUES(2,'hub','revenue',0);
INSERT INTO "accounts" VALUES(3,'hub','provider_cost',0);
INSERT INTO "accounts" VALUES(4,'hub','provider_payable',0);
INSERT INTO "accounts" VALUES(5,'hub','absorbed_loss',0);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
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
	last_used_at DOUBLE, 
	PRIMARY KEY (id), 
	FOREIGN KEY(user_id) REFERENCES users (id), 
	UNIQUE (hash)
);
CREATE TABLE counters (
	name TEXT NOT NULL, 
	value BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "counters" VALUES('entry',0);
INSERT INTO "counters" VALUES('fence',0);
CREATE TABLE entries (
	id INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	ref TEXT NOT NULL, 
	at DOUBLE NOT NULL, 
	author TEXT DEFAULT '' NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE leases (
	id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	account_id BIGINT NOT NULL, 
	process TEXT NOT NULL, 
	fence BIGINT NOT NULL, 
	from_plan BIGINT DEFAULT '0' NOT NULL, 
	from_promo BIGINT DEFAULT '0' NOT NULL, 
	from_topup BIGINT DEFAULT '0' NOT NULL, 
	spent BIGINT DEFAULT '0' NOT NULL, 
	state TEXT DEFAULT 'open' NOT NULL, 
	expires_at DOUBLE NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT spent_within_lease CHECK (from_plan + from_promo + from_topup >= spent)
);
CREATE TABLE meta (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE postings (
	entry_id BIGINT NOT NULL, 
	account_id BIGINT NOT NULL, 
	amount BIGINT NOT NULL, 
	PRIMARY KEY (entry_id, account_id)
)
 WITHOUT ROWID

;
CREATE TABLE receipts (
	call_id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	key_id TEXT NOT NULL, 
	at DOUBLE NOT NULL, 
	charge BIGINT NOT NULL, 
	cost BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (call_id)
)
 WITHOUT ROWID

;
CREATE TABLE users (
	id TEXT NOT NULL, 
	email TEXT NOT NULL, 
	"plan" TEXT DEFAULT 'free' NOT NULL, 
	admin INTEGER DEFAULT '0' NOT NULL, 
	created_at DOUBLE NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (email)
);
CREATE INDEX ix_api_keys_user_id ON api_keys (user_id);
CREATE UNIQUE INDEX one_grant_per_reference ON entries (ref) WHERE kind = 'grant';
CREATE INDEX open_leases_by_user ON leases (user_id) WHERE state = 'open';
CREATE INDEX open_leases_by_expiry ON leases (expires_at) WHERE state = 'open';
CREATE INDEX receipts_by_user ON receipts (user_id, at);
