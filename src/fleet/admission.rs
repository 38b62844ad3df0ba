//! Whether a node may take part: the shared store is of a schema that it knows, drops nothing, and the node was not
//! told to stay away. Who speaks for it is the lease's part.

use redis::Value;

use super::engine::{self, Engine};
use super::keys::{Keys, SCHEMA};
use super::nodes::Word;
use super::{FleetError, MeetError};

/// Looks at all of it. A store that nobody has used gets its schema.
pub(super) async fn look(engine: &Engine, keys: &Keys, node: &str, may_evict: bool) -> Result<(), MeetError> {
    look_at_schema(engine, keys).await?;
    if !may_evict {
        look_at_eviction(engine).await?;
    }
    let word = engine.ask(redis::cmd("HGET").arg(keys.nodes()).arg(node)).await.map_err(MeetError::Away)?;
    let word = engine::text(&word).and_then(|text| serde_json::from_str::<Word>(&text).ok());
    if word.is_some_and(|word| word.forgotten) {
        return Err(MeetError::Refused(FleetError::Forgotten { node: node.to_owned() }));
    }
    Ok(())
}

async fn look_at_schema(engine: &Engine, keys: &Keys) -> Result<(), MeetError> {
    let schema = engine.ask(redis::cmd("GET").arg(keys.schema())).await.map_err(MeetError::Away)?;
    match engine::number(&schema) {
        Some(found) if found > u64::from(SCHEMA) => {
            Err(MeetError::Refused(FleetError::Newer { found, known: SCHEMA }))
        }
        Some(_) => Ok(()),
        None => {
            let mut command = redis::cmd("SET");
            command.arg(keys.schema()).arg(SCHEMA);
            engine.ask(&command).await.map(drop).map_err(MeetError::Away)
        }
    }
}

async fn look_at_eviction(engine: &Engine) -> Result<(), MeetError> {
    // A user without INFO cannot be told; `check-config --connect` says so.
    let Ok(info) = engine.ask(redis::cmd("INFO").arg("memory")).await else { return Ok(()) };
    let texts = match info {
        Value::Map(nodes) => nodes.into_iter().map(|(_, info)| info).collect(),
        info => vec![info],
    };
    for text in texts.iter().filter_map(engine::text) {
        let policy = text.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).unwrap_or("");
        if !matches!(policy.trim(), "noeviction" | "") {
            let policy = policy.trim().to_owned();
            return Err(MeetError::Refused(FleetError::Eviction { policy }));
        }
    }
    Ok(())
}
