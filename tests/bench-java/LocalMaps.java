import java.io.IOException;
import java.util.List;
import org.apache.hadoop.mapreduce.InputSplit;
import org.apache.hadoop.mapreduce.JobContext;
import org.apache.hadoop.tools.mapred.UniformSizeInputFormat;

/**
 * DistCp's strategy with as many maps as bench.maps says. With Hadoop's local runner it would make
 * one map, whatever -m says.
 */
public class LocalMaps extends UniformSizeInputFormat {
  @Override
  public List<InputSplit> getSplits(JobContext context) throws IOException, InterruptedException {
    int maps = context.getConfiguration().getInt("bench.maps", 4);
    context.getConfiguration().setInt("mapreduce.job.maps", maps);
    return super.getSplits(context);
  }
}
