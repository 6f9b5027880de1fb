//! What the compiler refuses, where asyncio raises `TypeError` or `ValueError`.
//!
//! Each function does what is allowed. The example in its documentation, which must not compile, is
//! the same with the one thing wrong; so it is that thing that the compiler refuses. A row of
//! `tests/conformance/rows.txt` is claimed by a function as by a test.

pub mod net;
pub mod sync;
pub mod tasks;

#[cfg(test)]
mod tests {
    use super::{net, sync, tasks};

    #[test]
    fn what_is_allowed_works() {
        tasks::a_task_is_made_of_a_future();
        tasks::a_task_takes_no_result_from_outside();
        tasks::compositions_take_collections_of_futures();
        tasks::a_sleep_lasts_a_duration();
        tasks::a_run_takes_a_future();
        tasks::a_callback_is_a_function();
        tasks::a_loop_stays_on_its_thread();
        tasks::what_stays_on_its_thread_is_in_local_tasks();
        tasks::an_executor_is_one();
        tasks::a_context_is_one();
        sync::a_lock_is_awaited_through_acquire();
        sync::a_semaphore_counts_from_zero();
        net::sendfile_takes_a_stream_and_whole_numbers();
        net::files_are_what_the_executor_wraps();
    }
}
