//! Sets of applied objects: which apply created what, so that a later apply of the set can prune.
//!
//! A set holds names only. Whether an object of it still exists, or may go, is asked of its own table; a deleted
//! object leaves all sets with its row.

use domain::master_data::Kind;

use super::rows::find_code;
use crate::change::{Change, Intent};
use crate::engine::text;
use crate::error::{Result, during};

const ADD: &str = "INSERT INTO object_set (set_name, kind, object_id)
VALUES ($1, $2, $3)
ON CONFLICT (set_name, kind, object_id) DO NOTHING";

const REMOVE: &str = "DELETE FROM object_set WHERE set_name = $1 AND kind = $2 AND object_id = $3";

const MEMBERS: &str = "SELECT kind, object_id
FROM object_set
WHERE set_name = $1
ORDER BY kind, object_id";

impl Change {
    /// Records that the set holds an object.
    ///
    /// # Errors
    /// [`crate::StoreError::Misuse`] for a change of another intent.
    pub async fn add_to_set(&mut self, set: &str, kind: Kind, id: &str) -> Result<()> {
        self.edit_set(ADD, set, kind, id).await
    }

    /// Records that the set no longer holds an object.
    ///
    /// # Errors
    /// [`crate::StoreError::Misuse`] for a change of another intent.
    pub async fn remove_from_set(&mut self, set: &str, kind: Kind, id: &str) -> Result<()> {
        self.edit_set(REMOVE, set, kind, id).await
    }

    async fn edit_set(&mut self, sql: &'static str, set: &str, kind: Kind, id: &str) -> Result<()> {
        self.require(&[Intent::MasterData], "editing a set")?;
        let edit = sqlx::query(sql).bind(set).bind(kind.name()).bind(id).execute(self.parts().1).await;
        edit.map_err(during("editing a set"))?;
        self.write_aside();
        Ok(())
    }

    /// What the set holds, references first, then by id.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn set_members(&mut self, set: &str) -> Result<Vec<(Kind, String)>> {
        let rows = sqlx::query(MEMBERS).bind(set).fetch_all(self.parts().1).await;
        let rows = rows.map_err(during("reading a set"))?;
        let member = |row| Ok((find_code(Kind::ALL, Kind::name, text(row, 0)?)?, text(row, 1)?.to_owned()));
        let mut members: Vec<(Kind, String)> = rows.iter().map(member).collect::<Result<_>>()?;
        members.sort();
        Ok(members)
    }
}
