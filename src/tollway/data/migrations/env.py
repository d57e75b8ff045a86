"""Runs the migrations inside the transaction that backends/sql/migrations.py has already begun."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
