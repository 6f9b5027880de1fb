//! What CPython's tests say of debug mode, beyond the tests of the reports themselves.

use corio::debug::ReportKind;
use corio::stream::{connect_read_pipe, connect_write_pipe, open_connection};
use corio::sync::Event;

use crate::support::{bounded, debug_builder, debug_rt, report, told};

// conforms: 19 test_create_task_error_closes_coro
#[test]
fn a_body_that_was_refused_is_dropped_without_a_word() {
    bounded(|| {
        let _others = debug_rt();
        let runtime = debug_builder().workers(1).build().expect("a runtime");
        let handle = runtime.handle().clone();
        drop(runtime);
        let held = std::sync::Arc::new(());
        let holds = held.clone();
        let body = async move {
            Event::new().wait().await;
            drop(holds);
        };
        let task = corio::task().name("refused-body").spawn_on(&handle, body);
        assert!(task.cancelled());
        assert_eq!(std::sync::Arc::strong_count(&held), 1, "the body is still there");
        assert!(handle.all_tasks().is_empty());
        for kind in [ReportKind::NeverAwaited, ReportKind::DestroyedPending] {
            assert_eq!(told(kind, "refused-body"), Vec::<String>::new());
        }
    });
}

// conforms: 22 test_loop_is_closed_resource_warnings
#[test]
fn a_writer_that_outlives_its_loop_is_told_and_harms_nobody() {
    bounded(|| {
        let (_others, runtime) = (debug_rt(), debug_rt());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (reader, mut writer) = runtime.block_on(open_connection(address)).unwrap();
        drop(runtime);
        // More than the system takes: the rest has nobody to send it any more.
        writer.write(&vec![7; 8 << 20]);
        drop((reader, writer));
        report(ReportKind::Unclosed, &format!("peer_addr: Some(127.0.0.1:{})", address.port()));
    });
}

// conforms: 30 test_unclosed_pipe_transport
#[test]
fn a_pipe_that_is_dropped_open_is_told() {
    bounded(|| {
        let runtime = debug_rt();
        let pipes = corio::task().name("drops-a-pipe").spawn_on(runtime.handle(), async {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            let mut closed = connect_write_pipe(ours.try_clone().unwrap()).unwrap();
            closed.close();
            drop((closed, connect_read_pipe(theirs).unwrap()));
            drop(connect_write_pipe(ours).unwrap());
        });
        runtime.block_on(async { pipes.await.unwrap() });
        let text = report(ReportKind::Unclosed, "drops-a-pipe");
        assert!(text.contains("StreamWriter"), "{text}");
        assert_eq!(told(ReportKind::Unclosed, "drops-a-pipe").len(), 1, "the closed one is told");
    });
}
