//! Settings: which are refused and how, and what they do to the threads.

use std::collections::HashSet;
#[cfg(target_os = "linux")]
use std::io::Write;
#[cfg(target_os = "linux")]
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use corio::{BuildError, Builder, RunError, Runtime, ThreadPoolExecutor};
use corio_tests::child::alone;
use corio_tests::eventually;
use corio_tests::kit::{block_on, threads_named};
#[cfg(target_os = "linux")]
use corio_tests::skipped;

use crate::support::{bounded, builder, wait};

#[track_caller]
fn refused(builder: Builder, words: &[&str]) {
    let text = format!("{builder:?}");
    let error = builder.build().map(drop).expect_err(&text);
    assert!(matches!(error, BuildError::Invalid { .. }), "{error:?}");
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "{message:?} does not contain {word:?}");
    }
    assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn senseless_settings_are_refused_with_value_and_remedy() {
    let new = Builder::new;
    refused(new().workers(0), &["workers(0)", "at least 1"]);
    refused(new().workers(1025), &["workers(1025)", "at most 1024"]);
    refused(new().poll_budget(0), &["poll_budget(0)", "at least 1"]);
    refused(new().blocking_threads(0), &["blocking_threads(0)", "at least 1"]);
    refused(new().pollers(0), &["pollers(0)", "at least 1"]);
    refused(new().workers(2).pollers(3), &["pollers(3)", "at most the number of workers"]);
}

#[test]
fn run_refuses_them_too_and_drops_main_unpolled() {
    bounded(|| {
        let ledger = corio_tests::kit::Ledger::new();
        let token = ledger.token();
        let ran = Builder::new().workers(0).run(async move {
            let _token = token;
            panic!("main ran");
        });
        let Err(RunError::Build(error)) = ran.map(|(): ()| ()) else { panic!("it ran") };
        assert!(error.to_string().contains("workers(0)"), "{error}");
        assert_eq!(ledger.live(), 0);
    });
}

#[test]
fn default_settings_work() {
    bounded(|| {
        let runtime = Runtime::new().unwrap();
        let cores = thread::available_parallelism().unwrap().get();
        assert_eq!(runtime.handle().loops().len(), cores);
        assert_eq!(runtime.block_on(async { corio::spawn(async { 1 }).await.unwrap() }), 1);
        assert_eq!(corio::run(async { corio::spawn(async { 2 }).await.unwrap() }), 2);
    });
}

/// Allows the shell, and what it becomes, the first of its cores alone.
#[cfg(target_os = "linux")]
const ON_ONE_CORE: &str =
    "taskset -cp $(taskset -cp $$ | sed 's/.*: //; s/[-,].*//') $$ >/dev/null";

#[cfg(target_os = "linux")]
#[test]
fn the_default_is_a_worker_for_each_core_that_is_allowed() {
    let test = "builder::the_default_is_a_worker_for_each_core_that_is_allowed";
    let has_taskset = std::process::Command::new("taskset").arg("--version").output();
    if !has_taskset.is_ok_and(|output| output.status.success()) {
        return skipped("taskset", test, "there is no taskset");
    }
    alone(test, ON_ONE_CORE, || {
        assert_eq!(Runtime::new().unwrap().handle().loops().len(), 1);
        assert_eq!(corio::run(async { corio::Handle::current().loops().len() }), 1);
        let executor = ThreadPoolExecutor::for_cpu();
        let jobs: Vec<_> = (0..8).map(|_| executor.submit(|| thread::current().id())).collect();
        let threads: HashSet<_> = jobs.into_iter().map(|job| block_on(job).unwrap()).collect();
        assert_eq!(threads.len(), 1);
        // It is a default, and no limit.
        assert_eq!(Builder::new().workers(2).build().unwrap().handle().loops().len(), 2);
    });
}

/// A control group of the CPU controller whose members may use one core's time; gone when dropped.
#[cfg(target_os = "linux")]
struct OneCoresTime(PathBuf);

#[cfg(target_os = "linux")]
impl OneCoresTime {
    /// In the first or the second version of the controller; none where nobody may make groups.
    fn new() -> Option<Self> {
        let name = format!("corio-{}", std::process::id());
        let first = ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "100000");
        let second = ("/sys/fs/cgroup", "cpu.max", "100000 100000");
        [first, second].into_iter().find_map(|(controller, limit, one_core)| {
            let folder = Path::new(controller).join(&name);
            std::fs::create_dir(&folder).ok()?;
            let group = Self(folder);
            // A file that there is already: to make one is refused.
            let mut limit =
                std::fs::OpenOptions::new().write(true).open(group.0.join(limit)).ok()?;
            limit.write_all(one_core.as_bytes()).ok()?;
            Some(group)
        })
    }
}

#[cfg(target_os = "linux")]
impl Drop for OneCoresTime {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_default_is_no_more_workers_than_a_quota_allows() {
    const MEMBER: &str = "CORIO_TEST_MEMBER";
    let test = "builder::the_default_is_no_more_workers_than_a_quota_allows";
    let body = || {
        assert_eq!(Runtime::new().unwrap().handle().loops().len(), 1);
        assert_eq!(Builder::new().workers(2).build().unwrap().handle().loops().len(), 2);
    };
    if std::env::var_os(MEMBER).is_some() {
        return alone(test, "", body);
    }
    let Some(group) = OneCoresTime::new() else {
        return skipped("quota", test, "no control group can be made here");
    };
    let member = group.0.join("cgroup.procs");
    let join = format!("export {MEMBER}=1; echo $$ > '{}' || exit 1", member.display());
    alone(test, &join, body);
}

#[test]
fn threads_are_called_after_the_runtime_and_end_with_it() {
    bounded(|| {
        let runtime = builder().workers(3).name("named").build().unwrap();
        let mut names = HashSet::new();
        for one in runtime.handle().loops() {
            let name = one.create_task(async { thread::current().name().map(str::to_owned) });
            names.insert(wait(&runtime, name).unwrap().unwrap());
        }
        let expected = ["named-0", "named-1", "named-2"];
        assert_eq!(names, expected.into_iter().map(str::to_owned).collect());
        let seen: HashSet<_> = threads_named("named").into_iter().collect();
        assert!(names.is_subset(&seen), "{seen:?}");
        assert!(runtime.shutdown(None).is_clean());
        eventually("the threads' ends", || threads_named("named").is_empty().then_some(()));
    });
}

#[test]
fn a_nul_is_left_out_of_the_name() {
    bounded(|| {
        let runtime = builder().workers(1).name("nul\0led").build().unwrap();
        let name = runtime.create_task(async { thread::current().name().map(str::to_owned) });
        assert_eq!(wait(&runtime, name).unwrap().as_deref(), Some("nulled-0"));
    });
}

#[test]
fn hooks_run_on_every_worker_once() {
    bounded(|| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let hooks = |log: &Arc<Mutex<Vec<_>>>| {
            let (started, stopped) = (log.clone(), log.clone());
            builder()
                .workers(3)
                .on_thread_start(move || {
                    started.lock().unwrap().push(("start", thread::current().id()));
                })
                .on_thread_stop(move || {
                    stopped.lock().unwrap().push(("stop", thread::current().id()));
                })
        };
        let check = |log: &Mutex<Vec<(&str, _)>>| {
            let log = std::mem::take(&mut *log.lock().unwrap());
            let of = |kind| -> HashSet<_> {
                log.iter().filter(|(k, _)| *k == kind).map(|(_, id)| *id).collect()
            };
            assert_eq!((log.len(), of("start").len()), (6, 3));
            assert_eq!(of("start"), of("stop"));
            for id in of("start") {
                let kinds: Vec<_> =
                    log.iter().filter(|(_, i)| *i == id).map(|(kind, _)| *kind).collect();
                assert_eq!(kinds, ["start", "stop"]);
            }
            of("start")
        };
        assert!(hooks(&log).build().unwrap().shutdown(None).is_clean());
        check(&log);
        hooks(&log).run(async {}).unwrap();
        assert!(check(&log).contains(&thread::current().id()), "the caller is worker 0");
    });
}

#[test]
fn the_stack_is_as_large_as_asked() {
    fn deep(levels: usize) -> usize {
        let frame = [levels; 128];
        if levels == 0 { 0 } else { std::hint::black_box(frame)[0].min(1) + deep(levels - 1) }
    }
    bounded(|| {
        let runtime = builder().stack_size(64 << 20).build().unwrap();
        let task = runtime.create_task(async { deep(16_000) });
        assert_eq!(wait(&runtime, task).unwrap(), 16_000, "16 MB and more of stack were used");
    });
}

#[test]
fn many_workers_are_possible() {
    bounded(|| {
        let runtime = builder().workers(64).build().unwrap();
        let ran = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..1000)
            .map(|_| {
                let ran = ran.clone();
                runtime.create_task(async move { ran.fetch_add(1, Ordering::Relaxed) })
            })
            .collect();
        for task in tasks {
            wait(&runtime, task).unwrap();
        }
        assert_eq!(ran.load(Ordering::Relaxed), 1000);
        assert!(runtime.shutdown(None).is_clean());
    });
}
