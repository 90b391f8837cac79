/*!
 * \file pilot/Process.cpp
 *
 * vfork, not fork: a process with MPI's mappings would copy large page tables for each range. The
 * child only makes system calls until exec; what it needs was laid out before.
 */
#include "pilot/Process.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
constexpr char path_default[] = "/usr/local/bin:/usr/bin:/bin";
constexpr int descriptors_fallback = 1024;
//! The pilot's own sleeps are sharper (Rank.cpp); a payload's are as everywhere.
constexpr unsigned long timer_slack_default_ns = 50000;

std::string from_environment(char const* name, std::string const& otherwise)
{
    char const* value = std::getenv(name);
    return value && *value ? value : otherwise;
}

std::string home_folder()
{
    auto const* entry = getpwuid(getuid());
    return entry && entry->pw_dir ? entry->pw_dir : "/";
}

//! The program's file by the payload's own PATH; the name itself if it has a slash.
std::string find_program(std::string const& name, std::string const& path, int& code)
{
    code = ENOENT;
    if (name.find('/') != std::string::npos)
    {
        return name;
    }
    for (std::size_t at = 0; at <= path.size();)
    {
        auto const end = std::min(path.find(':', at), path.size());
        auto const folder = path.substr(at, end - at);
        auto const file = (folder.empty() ? "." : folder) + "/" + name;
        struct stat found;
        if (!name.empty() && stat(file.c_str(), &found) == 0 && S_ISREG(found.st_mode))
        {
            if (access(file.c_str(), X_OK) == 0)
            {
                return file;
            }
            code = EACCES;
        }
        at = end + 1;
    }
    return "";
}

std::string start_problem(std::string const& program, int code)
{
    std::string const hint = code == ENOENT
                                 ? "not found on PATH; a program beside the task file is "
                                   "{taskdir}/NAME"
                             : code == EACCES ? "not executable"
                                              : std::strerror(code);
    return "payload can't be started: " + program + " (" + hint + ")";
}

//! In the child: put descriptors in place and close all others. Only system calls.
bool place_descriptors(int const* from, int count)
{
    int const nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    // Out of the way first, so that no target is the source of a later one.
    int moved[8];
    for (int i = 0; i < count; ++i)
    {
        moved[i] = fcntl(from[i] < 0 ? nothing : from[i], F_DUPFD, 16);
        if (moved[i] < 0)
        {
            return false;
        }
    }
    for (int i = 0; i < count; ++i)
    {
        if (dup2(moved[i], i) < 0)
        {
            return false;
        }
    }
#ifdef SYS_close_range
    if (syscall(SYS_close_range, count, ~0U, 0) == 0)
    {
        return true;
    }
#endif
    for (int fd = count; fd < descriptors_fallback; ++fd)
    {
        close(fd);
    }
    return true;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
Environment payload_environment(wire::TaskInfo const& task, std::string const& folder)
{
    Environment environment{{"PATH", from_environment("PATH", path_default)},
                            {"HOME", from_environment("HOME", home_folder())},
                            {"LANG", from_environment("LANG", "C.UTF-8")},
                            {"TMPDIR", folder}};
    for (auto const& name : task.pass_environment)
    {
        if (char const* value = std::getenv(name.c_str()))
        {
            environment[name] = value;
        }
    }
    for (std::size_t i = 0; i + 1 < task.environment.size(); i += 2)
    {
        environment[task.environment[i]] = task.environment[i + 1];
    }
    return environment;
}

//---------------------------------------------------------------------------//
Process::~Process()
{
    if (pid_ > 0 && !over_)
    {
        this->send(SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
}

//---------------------------------------------------------------------------//
void Process::start(ProcessPlan const& plan)
{
    std::vector<std::string> variables;
    for (auto const& each : plan.environment)
    {
        variables.push_back(each.first + "=" + each.second);
    }
    std::vector<char*> argv, envp;
    for (auto const& each : plan.argv)
    {
        argv.push_back(const_cast<char*>(each.c_str()));
    }
    for (auto const& each : variables)
    {
        envp.push_back(const_cast<char*>(each.c_str()));
    }
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    auto const path = plan.environment.find("PATH");
    int code = 0;
    std::string const name = plan.argv.empty() ? "" : plan.argv[0];
    auto const program = find_program(
        name, path == plan.environment.end() ? path_default : path->second, code);
    if (program.empty())
    {
        over_ = true;
        end_.problem = start_problem(name, code);
        return;
    }
    int const count = static_cast<int>(plan.descriptors.size());
    sigset_t none;
    sigemptyset(&none);
    volatile int child_errno = 0;
    pid_t const pid = vfork();
    if (pid == 0)
    {
        setpgid(0, 0);
        for (int const each : {SIGTERM, SIGINT, SIGUSR1, SIGCHLD, SIGPIPE, SIGALRM, SIGHUP})
        {
            signal(each, SIG_DFL);
        }
        sigprocmask(SIG_SETMASK, &none, nullptr);
        apply_limits(plan.limits.data(), plan.limits.size());
        prctl(PR_SET_TIMERSLACK, timer_slack_default_ns);
        if (chdir(plan.folder.c_str()) == 0 && place_descriptors(plan.descriptors.data(), count))
        {
            execve(program.c_str(), argv.data(), envp.data());
        }
        child_errno = errno;
        _exit(127);
    }
    if (pid < 0 || child_errno != 0)
    {
        int const problem = pid < 0 ? errno : child_errno;
        if (pid > 0)
        {
            waitpid(pid, nullptr, 0);
        }
        over_ = true;
        end_.problem = start_problem(name, problem);
        return;
    }
    pid_ = pid;
}

//---------------------------------------------------------------------------//
bool Process::poll(double now)
{
    if (over_ || pid_ == 0)
    {
        return over_;
    }
    int status = 0;
    rusage usage{};
    auto const got = wait4(pid_, &status, WNOHANG, &usage);
    if (got == pid_)
    {
        end_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        end_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        end_.asked = kill_at_ != never;
        auto const seconds = [](timeval const& t) {
            return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
        };
        end_.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
        this->send(SIGKILL);
        over_ = true;
    }
    else if (now >= kill_at_)
    {
        kill_at_ = now + 1;
        this->send(SIGKILL);
    }
    return over_;
}

//---------------------------------------------------------------------------//
void Process::stop(double grace_seconds)
{
    if (over_ || pid_ == 0 || kill_at_ != never)
    {
        return;
    }
    this->send(SIGTERM);
    kill_at_ = monotonic_seconds() + grace_seconds;
}

//---------------------------------------------------------------------------//
void Process::kill()
{
    if (!over_)
    {
        this->send(SIGKILL);
    }
}

//---------------------------------------------------------------------------//
void Process::send(int signal)
{
    if (pid_ > 0)
    {
        ::kill(-pid_, signal);
    }
}

//---------------------------------------------------------------------------//
std::string describe(ProcessEnd const& end)
{
    if (!end.problem.empty())
    {
        return end.problem;
    }
    if (end.signal == 0)
    {
        return "payload ended with exit " + std::to_string(end.code);
    }
    struct Name
    {
        int signal;
        char const* name;
    };
    static Name const names[] = {{SIGTERM, "SIGTERM"}, {SIGKILL, "SIGKILL"}, {SIGSEGV, "SIGSEGV"},
                                 {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
                                 {SIGILL, "SIGILL"},   {SIGINT, "SIGINT"},   {SIGHUP, "SIGHUP"},
                                 {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"}, {SIGPIPE, "SIGPIPE"}};
    for (auto const& each : names)
    {
        if (each.signal == end.signal)
        {
            return std::string{"payload ended by signal "} + each.name;
        }
    }
    return "payload ended by signal " + std::to_string(end.signal);
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
