//! sqlx with SQLite inside corio's tasks. Its pool uses tokio's timers, hence the context.
use corio_ecosystem::{BoxError, assert_on_corio};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};

const TASKS: i64 = 50;
/// Fewer than tasks, so that they wait for each other.
const CONNECTIONS: u32 = 4;

#[corio::main(tokio_context = true)]
async fn main() -> Result<(), BoxError> {
    let folder = corio::fs::temporary_directory().await?;
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("accounts.db"))
        .journal_mode(SqliteJournalMode::Wal)
        .create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?;
    sqlx::query("CREATE TABLE accounts (name TEXT PRIMARY KEY, money INTEGER NOT NULL)")
        .execute(&pool)
        .await?;
    sqlx::query("INSERT INTO accounts VALUES ('from', 1000), ('to', 0)").execute(&pool).await?;

    let transfers = (1..=TASKS).map(|n| corio::create_task(transfer(pool.clone(), n, n % 2 == 0)));
    for transfer in transfers.collect::<Vec<_>>() {
        transfer.await??;
    }
    // 2 + 4 + .. + 50; the others were rolled back.
    let moved = (1..=TASKS).filter(|n| n % 2 == 0).sum::<i64>();
    assert_eq!(money(&pool, "to").await?, moved);
    assert_eq!(money(&pool, "from").await?, 1000 - moved);
    println!("{} transfers committed, {} rolled back", TASKS / 2, TASKS - TASKS / 2);
    pool.close().await;
    Ok(())
}

/// Moves money in one transaction; one that is dropped is rolled back.
async fn transfer(pool: SqlitePool, amount: i64, commit: bool) -> Result<(), BoxError> {
    // Takes the right to write at once: a reader that writes later may find that it is too late.
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    for (name, change) in [("from", -amount), ("to", amount)] {
        let changed = sqlx::query("UPDATE accounts SET money = money + ? WHERE name = ?")
            .bind(change)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        assert_eq!(changed.rows_affected(), 1);
        assert_on_corio();
    }
    if commit {
        transaction.commit().await?;
    }
    Ok(())
}

async fn money(pool: &SqlitePool, name: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT money FROM accounts WHERE name = ?").bind(name).fetch_one(pool).await
}
