//! What users see of an executor.
use super::*;
use corio_sync::park::block_on;

#[test]
fn an_executor_runs_jobs_under_its_name() {
    let executor = ThreadPoolExecutor::new(1).name("io");
    let job = executor.clone().submit(|| std::thread::current().name().map(str::to_owned));
    assert_eq!(block_on(job).unwrap().as_deref(), Some("io-0"));
    assert!(executor.shutdown(Some(Duration::MAX)).is_empty());
    let text = format!("{executor:?}");
    assert!(text.contains("\"io\"") && text.contains("stopped: true"), "{text}");
}

#[test]
#[should_panic(expected = "max_workers is 0, so no job would ever run; give at least 1")]
fn an_executor_without_threads_is_a_mistake() {
    let _ = ThreadPoolExecutor::new(0);
}

#[test]
#[should_panic(expected = "name it when it is made")]
fn an_executor_in_use_keeps_its_name() {
    let executor = ThreadPoolExecutor::new(1);
    let _other = executor.clone();
    let _ = executor.name("late");
}

#[test]
fn a_job_knows_where_it_was_submitted() {
    let executor = ThreadPoolExecutor::new(1);
    let line = line!() + 1;
    let error = block_on(executor.submit(|| panic!("here"))).unwrap_err();
    assert_eq!((error.spawned_at().line(), error.spawned_at().file()), (line, file!()));
}

#[test]
fn the_last_handle_stops_the_executor_without_waiting() {
    let executor = ThreadPoolExecutor::new(1);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let job = executor.submit(move || released.recv().is_err());
    drop(executor);
    assert!(!job.done());
    drop(release);
    assert!(block_on(job).unwrap());
}

#[test]
fn cpu_threads_step_back() {
    let executor = ThreadPoolExecutor::for_cpu();
    assert_eq!(block_on(executor.submit(|| 2)).unwrap(), 2);
    #[cfg(target_os = "linux")]
    {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let theirs = block_on(executor.submit(nice)).unwrap();
        assert_eq!(theirs, (nice() + CPU_NICE).min(19));
    }
}
