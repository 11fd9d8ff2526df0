//! Memory of connections that wait for their next request.

use std::time::Duration;

use super::Subject;
use super::rows::ROWS;
use crate::error::Error;
use crate::load::Workload;
use crate::load::connection::Connection;
use crate::machine::usage::memory_of_tree;

/// Bytes of `subject`'s memory for each of `count` connections that have had one answer and now wait.
pub async fn bytes_per_connection(subject: &Subject, count: usize) -> Result<f64, Error> {
    let failed =
        |source| Error::Check { subject: subject.name(), what: "idle connections".to_owned(), source };
    let pid = subject.running.child.pid();
    let get = ROWS[0].request();
    let request = get.request(0, &mut Vec::new()).to_vec();
    let before = memory_of_tree(pid);
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection =
            Connection::open(subject.running.address).await.map_err(|error| failed(error.into()))?;
        let answer = connection.exchange(&request, None).await.map_err(failed)?;
        get.check(&answer).map_err(failed)?;
        open.push(connection.into_idle());
    }
    // Time to give back what was needed only for the answers.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = memory_of_tree(pid);
    Ok((after as f64 - before as f64) / count as f64)
}
