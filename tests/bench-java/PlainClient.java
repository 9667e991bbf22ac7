import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * The plain way with Hadoop's own client, for benchmarks beside it: some threads, each a file at a
 * time, written in a staging directory and renamed into place. One process for all rounds, so that
 * it is warm. Obeys lines of standard input, and answers each with "ok FILES BYTES SECONDS" or
 * "failed: WHY":
 *
 *   copy FROM TO THREADS
 *   create TO FILES BYTES THREADS
 *   remove DIRECTORY
 */
public final class PlainClient {
  private static final int BUFFER_BYTES = 128 << 10;
  private static final Configuration CONF = new Configuration();

  private interface Work {
    long doFile(int number, byte[] buffer) throws Exception;
  }

  public static void main(String[] args) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String answer;
      try {
        answer = obey(line.trim().split(" +"));
      } catch (Exception why) {
        answer = "failed: " + why.toString().replace('\n', ' ');
      }
      System.out.println(answer);
      System.out.flush();
    }
  }

  private static String obey(String[] words) throws Exception {
    switch (words[0]) {
      case "copy":
        return copy(new Path(words[1]), new Path(words[2]), Integer.parseInt(words[3]));
      case "create":
        return create(new Path(words[1]), Integer.parseInt(words[2]), Integer.parseInt(words[3]),
            Integer.parseInt(words[4]));
      case "remove":
        of(new Path(words[1])).delete(new Path(words[1]), true);
        return "ok 0 0 0";
      default:
        return "failed: no such command: " + words[0];
    }
  }

  private static FileSystem of(Path path) throws Exception {
    return FileSystem.get(path.toUri(), CONF);
  }

  private static String copy(Path from, Path to, int threads) throws Exception {
    long begin = System.nanoTime();
    FileSystem source = of(from);
    FileSystem target = of(to);
    Path staging = new Path(to, "staging");
    target.mkdirs(staging);
    List<Path> files = new ArrayList<>();
    for (FileStatus status : source.listStatus(from)) {
      if (status.isFile()) {
        files.add(status.getPath());
      }
    }
    return run(begin, files.size(), threads, target, staging, (number, buffer) -> {
      Path file = files.get(number);
      Path staged = new Path(staging, file.getName());
      long bytes = 0;
      try (InputStream in = source.open(file, BUFFER_BYTES);
          OutputStream out = target.create(staged, false, BUFFER_BYTES)) {
        for (int got = in.read(buffer); got > 0; got = in.read(buffer)) {
          out.write(buffer, 0, got);
          bytes += got;
        }
      }
      rename(target, staged, new Path(to, file.getName()));
      return bytes;
    });
  }

  private static String create(Path to, int count, int length, int threads) throws Exception {
    long begin = System.nanoTime();
    FileSystem target = of(to);
    Path staging = new Path(to, "staging");
    target.mkdirs(staging);
    byte[] content = new byte[length];
    new java.util.Random(1).nextBytes(content);
    return run(begin, count, threads, target, staging, (number, buffer) -> {
      String name = String.format("file-%06d", number);
      Path staged = new Path(staging, name);
      try (OutputStream out = target.create(staged, false, BUFFER_BYTES)) {
        out.write(content);
      }
      rename(target, staged, new Path(to, name));
      return length;
    });
  }

  private static void rename(FileSystem target, Path from, Path to) throws Exception {
    if (!target.rename(from, to)) {
      throw new java.io.IOException("not renamed: " + from);
    }
  }

  private static String run(long begin, int files, int threads, FileSystem target, Path staging,
      Work work) throws Exception {
    AtomicInteger next = new AtomicInteger();
    java.util.concurrent.atomic.AtomicLong bytes = new java.util.concurrent.atomic.AtomicLong();
    java.util.concurrent.atomic.AtomicReference<Exception> failed =
        new java.util.concurrent.atomic.AtomicReference<>();
    List<Thread> pool = new ArrayList<>();
    for (int i = 0; i < threads; ++i) {
      Thread thread = new Thread(() -> {
        byte[] buffer = new byte[BUFFER_BYTES];
        try {
          for (int n = next.getAndIncrement(); n < files && failed.get() == null;
              n = next.getAndIncrement()) {
            bytes.addAndGet(work.doFile(n, buffer));
          }
        } catch (Exception why) {
          failed.compareAndSet(null, why);
        }
      });
      thread.start();
      pool.add(thread);
    }
    for (Thread thread : pool) {
      thread.join();
    }
    if (failed.get() != null) {
      throw failed.get();
    }
    target.delete(staging, false);
    return String.format("ok %d %d %.3f", files, bytes.get(), (System.nanoTime() - begin) / 1e9);
  }
}
