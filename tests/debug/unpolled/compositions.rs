//! Compositions and scopes.

use corio::{
    JoinSet, ReturnWhen, TaskGroup, as_completed, catch_cancel, create_task, defer_cancel, finally,
    gather, gather_all, on_cancel, shield, staggered_race, task_group, try_gather, wait,
};

use super::{Make, STREAM, forget, no_future, unpolled};
use crate::support::HOUR;

const HERE: &str = "the macro waits where it stands";

pub const TABLE: &[(&str, Make)] = unpolled! {
    "gather" => forget(gather([async {}]));
    "gather_all" => forget(gather_all([async {}]));
    "try_gather" => forget(try_gather([async { Ok::<_, ()>(()) }]));
    "gather!" => forget(corio::gather!(async {}, async {}));
    "wait" => forget(wait(vec![create_task(async {})], ReturnWhen::AllCompleted, Some(HOUR)));
    "AsCompleted::next" => forget(as_completed([async {}]).next());
    "AsCompleted as Stream" => no_future(STREAM);
    "AsCompletedWithin::next" => forget(as_completed([async {}]).with_timeout(HOUR).next());
    "AsCompletedWithin as Stream" => no_future(STREAM);
    "shield" => forget(shield(async {}));
    "JoinSet::join_next" => forget(JoinSet::<u8>::new().join_next());
    "JoinSet::join_next_with_id" => forget(JoinSet::<u8>::new().join_next_with_id());
    "JoinSet::shutdown" => forget(JoinSet::<u8>::new().shutdown());
    "JoinSet::join_all" => forget(JoinSet::<u8>::new().join_all());
    "task_group" => forget(task_group(async |_group: TaskGroup<()>| Ok(())));
    "join!" => no_future(HERE);
    "try_join!" => no_future(HERE);
    "select!" => no_future(HERE);
    "staggered_race" => forget(staggered_race([|| async { Ok::<_, ()>(1) }], Some(HOUR)));
    "catch_cancel" => forget(catch_cancel(async {}));
    "on_cancel" => forget(on_cancel(async {}, async {}));
    "finally" => forget(finally(async {}, async {}));
    "defer_cancel" => forget(defer_cancel(async {}));
};
